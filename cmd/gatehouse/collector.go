package main

import (
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strconv"
)

// collectorPercent is GOGC unless the operator sets it. What lives is the cache, so the runtime's own 100 has a large directory
// walked so often that a token costs a third more than in a small one.
const collectorPercent = 300

// tuneCollector lets garbage grow to three times what lives, and keeps the whole below three quarters of the memory that the
// process may use, where the system tells how much that is. GOGC and GOMEMLIMIT stay the operator's.
func (p *program) tuneCollector() {
	if p.getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
	if memory := usableMemory(os.ReadFile); memory > 0 && p.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory / 4 * 3)
	}
}

// usableMemory returns the bytes that the control group (v2, v1) or the machine allows, 0 where none of them tells.
func usableMemory(read func(string) ([]byte, error)) int64 {
	least := int64(math.MaxInt64)
	take := func(text []byte, unit int64) {
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil && n > 0 && n < least/unit {
			least = n * unit
		}
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if text, err := read(file); err == nil {
			take(text, 1)
		}
	}
	if text, err := read("/proc/meminfo"); err == nil {
		if _, rest, ok := bytes.Cut(text, []byte("MemTotal:")); ok {
			if kib, _, ok := bytes.Cut(rest, []byte("kB")); ok {
				take(kib, 1024)
			}
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}
