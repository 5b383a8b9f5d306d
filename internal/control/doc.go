// Package control is how people and programs ask a running server about itself: the addresses for health checks.
//
// Callers need [OpenHealth]. The package gathers nothing and decides nothing: what is asked is handed to its Options.
package control
