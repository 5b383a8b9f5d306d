// Command fasthttp answers a constant with fasthttp. Use: fasthttp PORT.
package main

import (
	"log"
	"os"

	"github.com/valyala/fasthttp"
)

func main() {
	log.Fatal(fasthttp.ListenAndServe("127.0.0.1:"+os.Args[1], func(c *fasthttp.RequestCtx) {
		c.SetContentType("text/plain")
		c.SetBodyString("Hello World !")
	}))
}
