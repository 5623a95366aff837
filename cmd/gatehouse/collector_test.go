package main

import (
	"io/fs"
	"testing"
)

// The memory that a process may use is the least of what its control group and its machine have.
func TestUsableMemoryIsTheLeastKnown(t *testing.T) {
	t.Parallel()
	const group, older, machine = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/proc/meminfo"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing known":           {nil, 0},
		"machine":                 {map[string]string{machine: "MemTotal:       24567 kB\nMemFree: 1 kB\n"}, 24567 << 10},
		"group below the machine": {map[string]string{machine: "MemTotal: 4096 kB\n", group: "1048576\n"}, 1 << 20},
		"group without a limit":   {map[string]string{machine: "MemTotal: 4096 kB\n", group: "max\n"}, 4 << 20},
		"older group, no limit":   {map[string]string{machine: "MemTotal: 4096 kB\n", older: "9223372036854771712\n"}, 4 << 20},
		"broken":                  {map[string]string{machine: "MemTotal: lots\n", group: "-5"}, 0},
	} {
		got := usableMemory(func(file string) ([]byte, error) {
			if text, ok := c.files[file]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		})
		if got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
