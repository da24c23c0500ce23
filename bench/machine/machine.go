// Package machine reads what the figures depend on.
package machine

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// Load is the load of the last minute.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// Memory is a figure of /proc/meminfo, in bytes.
func Memory(name string) int64 {
	kib, _, _ := strings.Cut(Field("/proc/meminfo", name), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// Processor is its model.
func Processor() string { return Field("/proc/cpuinfo", "model name") }

// Field is the first value of a name in one of the kernel's "name: value" files.
func Field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
