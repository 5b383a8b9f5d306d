// Package http1 is HTTP/1.0 and HTTP/1.1 (RFC 9112, RFC 9110) as state machines without I/O: bytes go in, facts come
// out, and whoever owns the socket does the rest.
//
// Most callers need [Parser], which turns bytes into a wire.Head, and [Body], which takes the framing off what
// follows. For the way back there are [Frame], which decides how a reply is delimited, and the Append functions.
//
// Three rules hold for everything here:
//   - The verdict depends on the bytes alone, never on how they were cut into reads.
//   - Where the RFC lets a server choose between repairing and refusing, it refuses: a request that two programs can
//     read in two ways is how requests are smuggled.
//   - Nothing allocates: not on success, and not when refusing either.
//
// The package refuses to know of sockets, timers, routes and applications. It does not decode percent signs, choose
// between hosts, offer upgrades, or act as a proxy.
package http1
