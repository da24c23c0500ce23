package buildkit

import (
	"context"
	"errors"
	"fmt"
	"testing"

	buildkiterrors "github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"cove/engine/builds"
	"cove/errdefs"
)

// TestAnswer: what a client is told of each failure, and with which code.
func TestAnswer(t *testing.T) {
	t.Parallel()
	exit := &builds.Error{
		Location: builds.Location{File: "Dockerfile", Line: 2, Instruction: "RUN exit 3"},
		Source:   []byte("FROM x\nRUN exit 3\n"), Err: &builds.ExitError{Code: 3},
	}
	for name, tc := range map[string]struct {
		err     error
		code    codes.Code
		text    string
		sources int
	}{
		"a kind":             {errdefs.Errorf(errdefs.ErrUnsupported, "no such thing"), codes.Unimplemented, "no such thing", 0},
		"not found":          {errdefs.Errorf(errdefs.ErrNotFound, "no such build"), codes.NotFound, "no such build", 0},
		"a build's kind":     {&buildError{err: errdefs.Errorf(errdefs.ErrNotFound, "no file")}, codes.Unknown, "no file", 0},
		"a command":          {&buildError{exit, []string{"/bin/sh", "-c", "exit 3"}}, codes.Unknown, `process "/bin/sh -c exit 3" did not complete successfully: exit code: 3`, 1},
		"a line":             {&buildError{err: exit}, codes.Unknown, "exit code: 3", 1},
		"a client that left": {&buildError{err: fmt.Errorf("build: %w", context.Canceled)}, codes.Canceled, "build: context canceled", 0},
		"the client's own":   {grpcstatus.Error(codes.Aborted, "mine"), codes.Aborted, "rpc error: code = Aborted desc = mine", 0},
		"anything":           {errors.New("what"), codes.Unknown, "what", 0},
	} {
		got := answer(tc.err)
		if grpcstatus.Code(got) != tc.code || got.Error() != tc.text || len(buildkiterrors.Sources(got)) != tc.sources {
			t.Errorf("%s: %v %q, %d sources; want %v %q", name, grpcstatus.Code(got), got, len(buildkiterrors.Sources(got)), tc.code, tc.text)
		}
	}
	if answer(nil) != nil {
		t.Error("no failure is one")
	}
}
