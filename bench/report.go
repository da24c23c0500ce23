package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report is what a whole run found.
type report struct {
	begun   time.Time
	machine []string
	results []result
	missing []string // rows that were not begun
}

const preamble = `# Measured beside the peers

` + "`make bench`" + ` writes this file. The engines did each row's work in turn, in one run on one machine,
each round beginning with another of them; the figures are medians. A time alone means nothing:
what counts is the ratio, cove ÷ the other.

`

func (rep report) text(end time.Time) []byte {
	var b bytes.Buffer
	b.WriteString(preamble)
	for _, line := range rep.machine {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprintf(&b, "- begun %s, took %s; load of the machine at the end %s\n", rep.begun.UTC().Format(time.RFC3339),
		end.Sub(rep.begun).Round(time.Second), load())
	met, held := 0, 0
	for _, r := range rep.results {
		switch r.verdict() {
		case "met":
			met++
			held++
		case "missed", "failed":
			held++
		}
	}
	fmt.Fprintf(&b, "\n%d of %d targets met.\n\n", met, held)
	b.WriteString("| work | engine | median | from – to | runs | cove ÷ it | target | |\n|---|---|---:|---:|---:|---:|---|---|\n")
	for _, r := range rep.results {
		b.WriteString(r.lines())
	}
	for _, name := range rep.missing {
		fmt.Fprintf(&b, "| %s | | | | | | | not measured: no time was left |\n", name)
	}
	for _, r := range rep.results {
		if r.note != "" {
			fmt.Fprintf(&b, "\n%s: %s\n", r.name, r.note)
		}
	}
	return b.Bytes()
}

// lines are a result's part of the table: cove, then each peer.
func (r result) lines() string {
	var b strings.Builder
	unit := r.unit
	if unit == "" {
		unit = "ms"
	}
	fmt.Fprintf(&b, "| **%s** | %s | %s |\n", r.name, r.series[0].cells(unit, ""), r.target.String()+" | "+r.verdict())
	for _, s := range r.series[1:] {
		ratio := ""
		if s.measured() && r.series[0].measured() {
			ratio = fmt.Sprintf("%.2f", r.series[0].median()/s.median())
		}
		fmt.Fprintf(&b, "| | %s | | |\n", s.cells(unit, ratio))
	}
	return b.String()
}

// cells are what one contender did, or why it did nothing.
func (s series) cells(unit, ratio string) string {
	if !s.measured() {
		reason := "not measured"
		if s.err != nil {
			reason, _, _ = strings.Cut(s.err.Error(), "\n")
			reason = strings.ReplaceAll(reason, "|", `\|`)
		}
		return fmt.Sprintf("%s | cannot: %.300s | | |", s.name, reason)
	}
	return fmt.Sprintf("%s | %.1f %s | %.1f – %.1f | %d | %s", s.name, s.median(), unit, s.samples[0],
		s.samples[len(s.samples)-1], len(s.samples), ratio)
}

// describeMachine says what the figures depend on.
func describeMachine(tb *testbed) []string {
	var u unix.Utsname
	kernel := "unknown"
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	return []string{
		fmt.Sprintf("%d × %s, %d GiB of memory, Linux %s; load at the beginning %s", runtime.NumCPU(), processor(),
			memory("MemTotal")>>30, kernel, load()),
		"the engines' state is on " + tb.where + ", that of the registries on the disk",
		tb.version("$BIN/cove version"),
		strings.Join([]string{
			tb.version("docker --version"), tb.version("podman --version"), tb.version("buildah --version"),
			tb.version("crun --version"),
			tb.version("runc --version"), buildkit + " " + buildkitVersion, tb.version("docker-registry --version"),
			distribution + " " + distributionVersion,
		}, "; "),
	}
}

// version is the first line that a command prints.
func (tb *testbed) version(line string) string {
	words := strings.Fields(tb.expand(line))
	out, err := tb.in(context.Background(), words[0], words[1:]...).Output()
	if err != nil {
		return words[0] + " of unknown version"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// memory is a figure of /proc/meminfo, in bytes.
func memory(name string) int64 {
	kib, _, _ := strings.Cut(field("/proc/meminfo", name), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

func processor() string { return field("/proc/cpuinfo", "model name") }

// field is the first value of a name in one of the kernel's "name: value" files.
func field(path, name string) string {
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
