package apptest_test

import "syscall"

// dieWithParent makes the kernel kill a process whose test binary was itself killed, for instance by its timeout.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
