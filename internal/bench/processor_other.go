//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

// startOn starts a program. Which processors it runs on can be chosen on Linux only.
func startOn(cpus []int, cmd *exec.Cmd) error {
	if cpus != nil {
		return errors.New("bench chooses processors on Linux only")
	}
	return cmd.Start()
}
