// Command net-http answers a constant with Go's standard server. Use: net-http PORT.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	body := []byte("Hello World !")
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "13")
		if _, err := w.Write(body); err != nil {
			log.Print("writing the answer: ", err)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], handler))
}
