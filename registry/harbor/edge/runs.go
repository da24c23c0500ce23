package edge

import (
	"fmt"
	"strings"
	"time"

	"cove/registry/jobs"
)

// Farthest is how far into a list a page may be that is read by the place of an entry and
// not by counting those before it.
const Farthest = 10_000

// TooFar is the error of a page that is farther.
func TooFar() error {
	return Invalid("query: this list is shown in pages as far as its newest %d entries; narrow it", Farthest)
}

// More is Paged for a list that is read by the place of an entry: it says only that there
// are others after those that were read.
func (asked *Ask) More(read int, more bool) {
	total := int64(read)
	if more {
		total++
	}
	asked.Paged(total)
}

// StatusOf is Harbor's word for how far a job is.
func StatusOf(s jobs.State) string {
	return map[jobs.State]string{
		jobs.Waiting: "Pending", jobs.Running: "Running", jobs.Done: "Success", jobs.Failed: "Error",
		jobs.Stopped: "Stopped",
	}[s]
}

// LogOf is what a job tells of itself.
func LogOf(j jobs.Job) string {
	var log strings.Builder
	line := func(at time.Time, text string) {
		if !at.IsZero() && text != "" {
			fmt.Fprintf(&log, "%s %s\n", at.UTC().Format(time.RFC3339), text)
		}
	}
	line(j.CreatedAt, "asked for by "+j.By)
	line(j.StartedAt, fmt.Sprintf("attempt %d began", j.Attempts))
	last := j.EndedAt
	if last.IsZero() {
		last = j.StartedAt
	}
	line(last, j.Note)
	line(last, j.Error)
	line(j.EndedAt, string(j.State))
	return log.String()
}
