package jobcmd

import (
	"strings"
	"testing"
	"time"

	"cove/registry/api/work"
	"cove/registry/jobs"
)

// sample is a job in each state.
func sample() (all []work.Job) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, j := range []jobs.Job{
		{
			ID: 5, Kind: "replication", Subject: "7", Project: "team", By: "ada", State: jobs.Waiting, CreatedAt: at,
			DueAt: at.Add(time.Hour), Args: []byte(`{"tags":["v1"]}`),
		},
		{
			ID: 4, Kind: "replication", Subject: "6", State: jobs.Running, CreatedAt: at, StartedAt: at.Add(time.Second),
			Attempts: 2, Note: "3 of 7 tags", Stopping: true, Args: []byte("null"),
		},
		{
			ID: 3, Kind: "webhook", Subject: "1", State: jobs.Failed, CreatedAt: at, StartedAt: at, EndedAt: at.Add(time.Minute),
			Attempts: 10, Error: "502 from hooks.example.com\nand more", Args: []byte("null"),
		},
	} {
		all = append(all, work.JobOf(j))
	}
	return all
}

func TestTableOfJobs(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := printJobs(&out, "table", sample()); err != nil {
		t.Fatal(err)
	}
	const want = `JOB   KIND          PROJECT   STATE      ASKED                     RESULT
5     replication   team      waiting    2026-03-01 12:00:00 UTC
4     replication             stopping   2026-03-01 12:00:00 UTC   3 of 7 tags
3     webhook                 failed     2026-03-01 12:00:00 UTC   502 from hooks.example.com
`
	if got := trimmed(out.String()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// trimmed has no blanks at the ends of lines.
func trimmed(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

func TestJobsInOtherFormats(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"{{.ID}} {{.State}}": "5 waiting\n4 running\n3 failed\n",
		"json":               `"dueAt":"2026-03-01T13:00:00Z"`,
	} {
		var out strings.Builder
		if err := printJobs(&out, format, sample()); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s %v", format, out.String(), err)
		}
	}
}

func TestOneJob(t *testing.T) {
	t.Parallel()
	for i, want := range []string{
		`job:         5
kind:        replication
subject:     7
project:     team
asked by:    ada
state:       waiting
attempts:    0
asked:       2026-03-01 12:00:00 UTC
begins:      2026-03-01 13:00:00 UTC
arguments:   {"tags":["v1"]}
`,
		`job:         4
kind:        replication
subject:     6
state:       stopping
attempts:    2
asked:       2026-03-01 12:00:00 UTC
started:     2026-03-01 12:00:01 UTC
result:      3 of 7 tags
arguments:   null
`,
	} {
		var out strings.Builder
		if err := describe(&out, sample()[i]); err != nil {
			t.Fatal(err)
		}
		if got := trimmed(out.String()); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}
