//go:build !linux

package redistest

import "syscall"

// dieWithParent has no means here: only cleanup ends a server.
func dieWithParent() *syscall.SysProcAttr { return nil }
