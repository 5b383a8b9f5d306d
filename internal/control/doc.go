// Package control is how people and programs ask a running server about itself, and tell it what to do: the control socket with its
// clients, and the addresses for health checks.
//
// The server needs [Open] and [OpenHealth], a command [Find] and [Server]. What a server says of itself is a [Status]. The package
// gathers nothing and decides nothing: what is asked is handed to its Options.
package control
