package dockertypes

import "time"

// Never is the time of what has not happened.
const Never = "0001-01-01T00:00:00Z"

// Stamp is a time as docker tells it: a text, which templates compare and cut.
func Stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }
