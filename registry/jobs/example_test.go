package jobs_test

import (
	"fmt"
	"time"

	"cove/registry/jobs"
)

// A schedule is read in the zone of whoever wrote it, also where the clock changes.
func ExampleNextTime() {
	now := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	for range 2 {
		next, err := jobs.NextTime("30 3 * * *", "Europe/Berlin", now)
		fmt.Println(next.UTC().Format(time.RFC3339), err)
		now = next
	}
	// Output:
	// 2026-03-29T01:30:00Z <nil>
	// 2026-03-30T01:30:00Z <nil>
}
