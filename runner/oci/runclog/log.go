// Package runclog writes the OCI runtime's log in runc's two forms, which engines read.
package runclog

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Log is where an invocation writes what happens. A log that cannot be written changes
// nothing else.
type Log struct {
	// File is the log; empty is Stderr.
	File   string
	Stderr *os.File
	// Format is "text" or "json".
	Format string
	// Debug writes what is done, too.
	Debug bool
}

// Error writes an error to stderr, where people look for it, and to File, where
// engines do.
func (l *Log) Error(err error) {
	fmt.Fprintf(l.Stderr, "cove-runtime: %v\n", err)
	if l.File != "" {
		l.write("error", err.Error())
	}
}

// Warn writes texts of what was left out.
func (l *Log) Warn(texts ...string) {
	for _, text := range texts {
		l.write("warning", text)
	}
}

// Debugf writes what is done, if that is asked for.
func (l *Log) Debugf(format string, args ...any) {
	if l.Debug {
		l.write("debug", fmt.Sprintf(format, args...))
	}
}

func (l *Log) write(level, msg string) {
	to := l.Stderr
	if l.File != "" {
		f, err := os.OpenFile(l.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return
		}
		defer f.Close()
		to = f
	}
	now := time.Now().UTC().Format(time.RFC3339)
	if l.Format != "json" {
		fmt.Fprintf(to, "time=%q level=%s msg=%q\n", now, level, msg)
		return
	}
	line, err := json.Marshal(map[string]string{"level": level, "msg": msg, "time": now})
	if err == nil {
		fmt.Fprintf(to, "%s\n", line)
	}
}
