// Package app makes a broker out of its parts. New wires everything in one readable function; Run serves, rotates keys, sweeps
// and drains; Init and the development seed set a store up for the first time. Nothing else decides which part knows which.
package app
