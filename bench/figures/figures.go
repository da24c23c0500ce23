// Package figures is what a run of the bench found: samples, what they are held to, and the
// table of them.
package figures

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Series is what one contender did.
type Series struct {
	Name    string
	Samples []float64 // sorted
	Err     error     // why it is out
	// Beside is what else the same runs showed, in words.
	Beside string
}

// Median is that of the samples, of which there is at least one.
func (s Series) Median() float64 {
	n := len(s.Samples)
	return (s.Samples[(n-1)/2] + s.Samples[n/2]) / 2
}

// Measured says that there is something to show.
func (s Series) Measured() bool { return s.Err == nil && len(s.Samples) > 0 }

// Row is what is compared.
type Row struct {
	Name   string
	Target Target
	// Note says below the table what the figures mean.
	Note string
	Unit string // "" is ms
}

// Result is what a row's contenders did, cove first.
type Result struct {
	Row
	Series []Series
}

// Target is what cove is held to: a part of a peer's time, or a figure.
type Target struct {
	Ratio float64
	Of    string // a peer; "" is the fastest
	Most  float64
}

// String is the target as the table shows it.
func (t Target) String() string {
	switch {
	case t.Most > 0:
		return fmt.Sprintf("≤%g", t.Most)
	case t.Ratio == 0:
		return ""
	case t.Of == "":
		return fmt.Sprintf("≤%g × the fastest peer", t.Ratio)
	}
	return fmt.Sprintf("≤%g × %s", t.Ratio, t.Of)
}

// Verdict says whether a result meets its target; "" when there is none, or
// nothing to compare with.
func (r Result) Verdict() string {
	cove := r.Series[0]
	if !cove.Measured() {
		return "failed"
	}
	limit := r.Target.Most
	if r.Target.Ratio > 0 {
		for _, peer := range r.Series[1:] {
			if !peer.Measured() || r.Target.Of != "" && r.Target.Of != peer.Name {
				continue
			}
			if most := r.Target.Ratio * peer.Median(); limit == 0 || most < limit {
				limit = most
			}
		}
	}
	switch {
	case limit == 0:
		return ""
	case cove.Median() <= limit:
		return "met"
	}
	return "missed"
}

// Report is what a whole run found.
type Report struct {
	Begun   time.Time
	Machine []string
	Results []Result
	Missing []string // rows that were not begun
}

const preamble = `# Measured beside the peers

` + "`make bench`" + ` writes this file. The engines did each row's work in turn, in one run on one machine,
each round beginning with another of them; the figures are medians. A time alone means nothing:
what counts is the ratio, cove ÷ the other.

`

// Text is the report, as it is written at this time with this load.
func (rep Report) Text(end time.Time, load string) []byte {
	var b bytes.Buffer
	b.WriteString(preamble)
	for _, line := range rep.Machine {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprintf(&b, "- begun %s, took %s; load of the machine at the end %s\n", rep.Begun.UTC().Format(time.RFC3339),
		end.Sub(rep.Begun).Round(time.Second), load)
	met, held := 0, 0
	for _, r := range rep.Results {
		switch r.Verdict() {
		case "met":
			met++
			held++
		case "missed", "failed":
			held++
		}
	}
	fmt.Fprintf(&b, "\n%d of %d targets met.\n\n", met, held)
	b.WriteString("| work | engine | median | from – to | runs | cove ÷ it | target | | beside it |\n" +
		"|---|---|---:|---:|---:|---:|---|---|---|\n")
	for _, r := range rep.Results {
		b.WriteString(r.Lines())
	}
	for _, name := range rep.Missing {
		fmt.Fprintf(&b, "| %s | | | | | | | not measured: no time was left | |\n", name)
	}
	for _, r := range rep.Results {
		if r.Note != "" {
			fmt.Fprintf(&b, "\n%s: %s\n", r.Name, r.Note)
		}
	}
	return b.Bytes()
}

// Lines are a result's part of the table: cove, then each peer.
func (r Result) Lines() string {
	var b strings.Builder
	unit := r.Unit
	if unit == "" {
		unit = "ms"
	}
	fmt.Fprintf(&b, "| **%s** | %s | %s | %s | %s |\n", r.Name, r.Series[0].cells(unit, ""), r.Target, r.Verdict(),
		r.Series[0].Beside)
	for _, s := range r.Series[1:] {
		ratio := ""
		if s.Measured() && r.Series[0].Measured() {
			ratio = fmt.Sprintf("%.2f", r.Series[0].Median()/s.Median())
		}
		fmt.Fprintf(&b, "| | %s | | | %s |\n", s.cells(unit, ratio), s.Beside)
	}
	return b.String()
}

// cells are what one contender did, or why it did nothing.
func (s Series) cells(unit, ratio string) string {
	if !s.Measured() {
		reason := "not measured"
		if s.Err != nil {
			reason, _, _ = strings.Cut(s.Err.Error(), "\n")
			reason = strings.ReplaceAll(reason, "|", `\|`)
		}
		return fmt.Sprintf("%s | cannot: %.300s | | |", s.Name, reason)
	}
	form := fmt.Sprintf("%%.%df", digits(s.Median()))
	show := func(v float64) string { return fmt.Sprintf(form, v) }
	return fmt.Sprintf("%s | %s %s | %s – %s | %d | %s", s.Name, show(s.Median()), unit, show(s.Samples[0]),
		show(s.Samples[len(s.Samples)-1]), len(s.Samples), ratio)
}

// digits are how many of a figure tell something behind the point.
func digits(median float64) int {
	if median < 1 {
		return 3
	}
	return 1
}
