package health_test

import (
	"fmt"
	"time"

	"cove/runner/health"
	"cove/runner/record"
)

// A container is unhealthy after as many failures in a row as its check allows, and well
// again after one success.
func ExampleAfter() {
	check := record.HealthCheck{Test: []string{"CMD", "true"}, Retries: 2, StartPeriod: 10 * time.Second}
	started := time.Unix(1000, 0)
	h := record.Health{Status: record.Starting}
	for i, code := range []int{1, 0, 1, 1, 0} {
		at := started.Add(time.Duration(i*30) * time.Second)
		h = health.After(check, h, record.HealthResult{Start: at, End: at.Add(time.Second), ExitCode: code}, started)
		fmt.Println(code, h.Status, h.FailingStreak)
	}
	// Output:
	// 1 starting 0
	// 0 healthy 0
	// 1 healthy 1
	// 1 unhealthy 2
	// 0 healthy 0
}
