package timeline_test

import (
	"fmt"
	"os"

	"cove/internal/timeline"
)

// The phases of two processes, drawn by the clock that they share.
func ExampleWrite() {
	err := timeline.Write(os.Stdout, []timeline.Span{
		{Who: "cove", What: "read the command", Begin: 1_000_000, End: 2_000_000},
		{Who: "monitor", What: "make the control group", Begin: 2_000_000, End: 5_000_000},
	})
	fmt.Println(err)
	// Output:
	//  FROM µs  TOOK µs  WHO       WHAT
	//        0     1000  cove      read the command                 ██████████
	//     1000     3000  monitor   make the control group                     ██████████████████████████████
	//     4000           in all
	// <nil>
}
