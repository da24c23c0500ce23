package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// contender is one way to do a row's work. before is not timed.
type contender struct {
	name   string
	before func(ctx context.Context, l *lab) error
	run    func(ctx context.Context, l *lab) error
	// value replaces the wall clock where the work measures itself, in ms.
	value func(ctx context.Context, l *lab) (float64, error)
}

// row is one line of the report; cove is always the first contender.
type row struct {
	name   string
	target string
	rounds int
	setup  func(ctx context.Context, l *lab) error
	in     []contender
}

type result struct {
	row
	medians []float64 // ms, by contender
}

// measure runs a row's contenders in turn, each round starting with another.
func (l *lab) measure(ctx context.Context, r row, rounds int) (result, error) {
	if r.setup != nil {
		if err := r.setup(ctx, l); err != nil {
			return result{}, err
		}
	}
	if rounds == 0 {
		rounds = r.rounds
	}
	samples := make([][]float64, len(r.in))
	for round := range rounds + 1 { // the first warms caches and does not count
		for i := range r.in {
			i = (i + round) % len(r.in)
			ms, err := l.once(ctx, r.in[i])
			if err != nil {
				return result{}, fmt.Errorf("%s: %w", r.in[i].name, err)
			}
			if round > 0 {
				samples[i] = append(samples[i], ms)
			}
		}
	}
	res := result{row: r}
	for _, s := range samples {
		slices.Sort(s)
		res.medians = append(res.medians, s[len(s)/2])
	}
	return res, nil
}

func (l *lab) once(ctx context.Context, c contender) (float64, error) {
	if c.before != nil {
		if err := c.before(ctx, l); err != nil {
			return 0, fmt.Errorf("preparing: %w", err)
		}
	}
	if c.value != nil {
		return c.value(ctx, l)
	}
	start := time.Now()
	err := c.run(ctx, l)
	return float64(time.Since(start).Microseconds()) / 1000, err
}

func (r result) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %.1f |", r.name, r.medians[0])
	for i, c := range r.in[1:] {
		ratio := r.medians[0] / r.medians[i+1]
		fmt.Fprintf(&b, " %s %.1f (×%.2f)", c.name, r.medians[i+1], ratio)
	}
	fmt.Fprintf(&b, " | %s |\n", r.target)
	return b.String()
}

func report(path string, results []result) error {
	var b bytes.Buffer
	b.WriteString("# Measured beside the peers\n\nMedians in ms of interleaved runs on one machine; in brackets the ratio cove ÷ peer. `make bench` writes this file.\n\n")
	b.WriteString("| work | cove | peers | target |\n|---|---|---|---|\n")
	for _, r := range results {
		b.WriteString(r.line())
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// command runs a program and returns its output in the error if it fails.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// runs makes a step of a command line whose words may hold $NAME of the lab.
func runs(words ...string) func(context.Context, *lab) error {
	return func(ctx context.Context, l *lab) error {
		expanded := make([]string, len(words))
		for i, w := range words {
			expanded[i] = os.Expand(w, l.variable)
		}
		return command(ctx, expanded[0], expanded[1:]...)
	}
}

// shell makes a step of a shell line; the lab's variables are its environment.
func shell(line string) func(context.Context, *lab) error {
	return func(ctx context.Context, l *lab) error {
		cmd := exec.CommandContext(ctx, "sh", "-ec", os.Expand(line, l.variable))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", line, err, out)
		}
		return nil
	}
}
