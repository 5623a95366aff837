//go:build !linux

package apptest_test

import "syscall"

// dieWithParent has no means here: only cleanup ends a process.
func dieWithParent() *syscall.SysProcAttr { return nil }
