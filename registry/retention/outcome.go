package retention

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"cove/internal/plural"
)

// Outcome is what came of a run, or would come of it. A job says it in words, of which
// OutcomeOf makes it again.
type Outcome struct {
	DryRun    bool
	Artifacts int // that were deleted
	Parts     int // manifests that went with them
	Kept      int // artifacts
	Bytes     int64
	Stay      int // that were to go and changed meanwhile
}

// Outcome is what a run of the plan would do.
func (p Plan) Outcome() Outcome {
	return Outcome{DryRun: true, Artifacts: len(p.Gone), Parts: len(p.With), Kept: p.Kept, Bytes: p.Counted}
}

const (
	told     = "deleted %d artifacts and %d manifests that went with them, kept %d; %d bytes stop counting"
	toldStay = "; %d stay that changed meanwhile"
	toldDry  = "nothing was deleted: this run would have "
)

// read are the numbers of both, as there is one or several of each.
var read = regexp.MustCompile(`^deleted (\d+) artifacts? and (\d+) manifests? that went with them, kept (\d+); ` +
	`(\d+) bytes? stop counting(?:; (\d+) stay that changed meanwhile)?`)

// String says it in words.
func (o Outcome) String() string {
	text := plural.Sprintf(told, o.Artifacts, o.Parts, o.Kept, o.Bytes)
	if o.Stay > 0 {
		text += fmt.Sprintf(toldStay, o.Stay)
	}
	if o.DryRun {
		return toldDry + text
	}
	return text
}

// OutcomeOf reads what the note of a job says; false for one that says nothing yet.
func OutcomeOf(note string) (o Outcome, ok bool) {
	note, o.DryRun = strings.CutPrefix(note, toldDry)
	m := read.FindStringSubmatch(note)
	if m == nil {
		return o, false
	}
	var n [5]int64
	for i, digits := range m[1:] {
		n[i], _ = strconv.ParseInt(cmp.Or(digits, "0"), 10, 64) // digits, and no more than a run has counted
	}
	o.Artifacts, o.Parts, o.Kept, o.Bytes, o.Stay = int(n[0]), int(n[1]), int(n[2]), n[3], int(n[4])
	return o, true
}
