package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// The exit codes, which scripts rely on.
const (
	exitDone        = 0
	exitRefused     = 1 // the server, a file or a rule said no
	exitUsage       = 2 // the command line itself is wrong
	exitNotSignedIn = 3 // no credentials, or wrong ones
	exitUnreachable = 4 // the server or the store does not answer
)

// A fault is an error that knows its exit code, and what to do next.
type fault struct {
	exit int
	err  error
	next string // empty: the code's own advice, if it has one
}

// Error is the message without the advice.
func (f *fault) Error() string { return f.err.Error() }

// Unwrap returns what the fault is about.
func (f *fault) Unwrap() error { return f.err }

func usage(err error) error { return &fault{exit: exitUsage, err: err} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// report writes err to standard error and returns the exit code. An error takes one line, each of several faults one of its own.
func (p *program) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitDone
	}
	exit := exitCode(err)
	message := strings.TrimSpace(err.Error())
	if next := advice(cmd, exit, err); next != "" {
		message = strings.TrimSuffix(message, ".") + ": " + next
	}
	for line := range strings.Lines(message) {
		// What a server wrote must not steer the terminal.
		_, _ = fmt.Fprintln(p.err, "gatehouse: "+printable(strings.TrimRight(line, "\r\n")))
	}
	return exit
}

// warn writes a line to standard error about something that does not stop the verb.
func (p *program) warn(format string, args ...any) {
	_, _ = fmt.Fprintln(p.err, "gatehouse: warning: "+printable(fmt.Sprintf(format, args...)))
}

func exitCode(err error) int {
	var known *fault
	if errors.As(err, &known) {
		return known.exit
	}
	if errors.Is(err, context.Canceled) {
		return exitRefused // the user's own signal
	}
	var answer *apiv1.Error
	if errors.As(err, &answer) {
		return exitOfStatus(answer.Status)
	}
	switch iam.KindOf(err) {
	case iam.Unauthenticated:
		return exitNotSignedIn
	case iam.Unavailable:
		return exitUnreachable
	}
	var transport *url.Error
	if errors.Is(err, kv.ErrUnavailable) || errors.As(err, &transport) {
		return exitUnreachable
	}
	return exitRefused
}

func exitOfStatus(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return exitNotSignedIn
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnreachable
	}
	return exitRefused
}

// answered reports whether err is an answer, so that nothing was done of what was asked. Without one nobody knows.
func answered(err error) bool {
	var answer *apiv1.Error
	if errors.As(err, &answer) {
		return answer.Status < http.StatusInternalServerError
	}
	var known *fault
	return errors.As(err, &known) && known.exit != exitUnreachable
}

// advice is what to do next about err, empty when its text says so itself.
func advice(cmd *cobra.Command, exit int, err error) string {
	var known *fault
	if errors.As(err, &known) && known.next != "" {
		return known.next
	}
	if errors.Is(err, context.Canceled) {
		return ""
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return "stop what listens there, or configure another address"
	}
	var answer *apiv1.Error
	if errors.As(err, &answer) {
		switch {
		case answer.Status == http.StatusUnauthorized: // the token endpoint refuses clients, so this token was given
			return "get a new access token, or give --client-id and --client-secret-file, or run gatehouse login"
		case answer.RetryAfter > 0:
			return fmt.Sprintf("try again in %v", answer.RetryAfter)
		case answer.Status >= http.StatusInternalServerError && answer.RequestID != "":
			return "the server's log says more under request " + answer.RequestID
		}
	}
	var transport *url.Error
	if errors.As(err, &transport) {
		return nextUnreachable
	}
	switch exit {
	case exitUsage:
		return fmt.Sprintf("see '%s --help'", cmd.CommandPath())
	case exitNotSignedIn:
		return "give --client-id and --client-secret-file (or GATEHOUSE_CLIENT_ID and GATEHOUSE_CLIENT_SECRET_FILE), or --access-token-file"
	}
	return ""
}
