// Package machine reads what the figures depend on.
package machine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
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

// Resident is what a process has in memory, in MB.
func Resident(pid int) (float64, error) {
	var kB float64
	if _, err := fmt.Sscanf(Field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS"), "%f kB", &kB); err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return kB / 1024, nil
}

// Parent is that of a process.
func Parent(pid int) (int, error) {
	return strconv.Atoi(Field(fmt.Sprintf("/proc/%d/status", pid), "PPid"))
}

// Children are those of a process, by its first thread.
func Children(pid int) ([]int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return nil, err
	}
	var children []int
	for _, word := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	return children, nil
}

// Worked is how long processes have used processors, with those of their children that have
// ended.
func Worked(pids ...int) (time.Duration, error) {
	var ticks int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		// The name of the program, in brackets, may hold anything.
		stat := string(text)
		fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
		if len(fields) < 15 {
			return 0, fmt.Errorf("process %d: %q", pid, text)
		}
		for _, f := range fields[11:15] { // utime, stime, cutime, cstime
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("process %d: %w", pid, err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * (time.Second / userHz), nil
}

// userHz is how many ticks of /proc/PID/stat a second has, on every Linux that Go runs on.
const userHz = 100

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

// Peak runs a command and returns the most that it had in memory, in MB. What the kernel
// tells of a process that has ended counts what its parent had at the fork; one that runs
// says what it had since it executed.
func Peak(cmd *exec.Cmd) (float64, error) {
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var most float64
	for {
		var kB float64
		if n, _ := fmt.Sscanf(Field(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid), "VmHWM"), "%f kB", &kB); n == 1 {
			most = max(most, kB/1024)
		}
		select {
		case err := <-ended:
			if err != nil {
				return 0, fmt.Errorf("%s: %w: %s", cmd, err, errs.String())
			}
			return most, nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}
