module speyside.dev/speyside

go 1.25
