// Command gatehouse is the whole program: the server (serve) and the command line over its admin API and its files, one file
// per noun.
//
// A verb either works on files of this machine (serve, init, config, store) or on a running server through package apiv1 with a
// token that connection.go gets. Verbs return errors; exit.go alone knows what they mean to the shell and how they read, and
// output.go how answers look. The package may import everything and nothing imports it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	os.Exit(p.run(ctx, os.Args[1:]))
}
