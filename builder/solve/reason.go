package solve

import (
	"path/filepath"

	"cove/builder/trace"
)

// reason says why the cache did not have a step; files are what a COPY reads.
func (s *solver) reason(t *task, files map[string]string) string {
	if t.NoCache {
		return "the cache was not asked"
	}
	now := trace.Of(t.Op, string(t.parent.res.chain))
	now.Files = files
	for _, in := range t.inputs {
		now.Inputs = append(now.Inputs, string(in.res.chain))
	}
	return trace.Dir{Path: filepath.Join(s.State, "traces"), Scope: s.Scope}.Reason(t.Name, now)
}
