package restart_test

import (
	"fmt"
	"time"

	"cove/runner/record"
	"cove/runner/restart"
)

// docker's policy on-failure:3, after three lives that ended at once.
func Example() {
	policy, err := restart.Parse("on-failure:3")
	if err != nil {
		fmt.Println(err)
		return
	}
	st := record.State{Status: record.Exited, ExitCode: 1, StartedAt: time.Unix(100, 0), FinishedAt: time.Unix(101, 0)}
	for {
		wait, again := restart.After(policy, st, false)
		fmt.Println(wait, again)
		if !again {
			break
		}
		st.Restarts, st.Backoff = st.Restarts+1, wait
	}
	st.ExitCode, st.Restarts = 0, 0
	_, again := restart.After(policy, st, false)
	fmt.Println("after success:", again)
	// Output:
	// 100ms true
	// 200ms true
	// 400ms true
	// 0s false
	// after success: false
}
