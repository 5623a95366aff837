package redistest

import "syscall"

// dieWithParent makes the kernel kill a server whose test binary was itself killed, for instance by its timeout.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
