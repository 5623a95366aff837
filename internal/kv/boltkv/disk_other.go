//go:build !linux

package boltkv

// diskWarnings knows nothing of disks outside Linux.
func diskWarnings(string) []string { return nil }
