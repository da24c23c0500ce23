package buildkit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"

	"cove/engine/api/buildkit"
)

// TestQuestions: every question about a Dockerfile is answered with JSON that BuildKit's own
// types have all fields for, and with the text that BuildKit's printers make of it.
func TestQuestions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	c := f.byHTTP2(t)
	dir := folder(t, map[string]string{"Dockerfile": `ARG base=busybox
# first makes it
FROM ${base} AS first
# WORD is said
ARG WORD=none
RUN --mount=type=secret,id=token,required --mount=type=ssh \
    echo $WORD
WORKDIR here
FROM first
CMD x
`})
	for name, q := range map[string]struct {
		into  any
		print func([]byte, io.Writer) error
		want  []string
	}{
		"outline":              {&outline.Outline{}, outline.PrintOutline, []string{"BUILD ARG", "is said", "token", "default"}},
		"targets":              {&targets.List{}, targets.PrintTargets, []string{"first ", "makes it", "(default)"}},
		"subrequests.describe": {&[]subrequests.Request{}, subrequests.PrintDescribe, []string{"outline", "targets"}},
		"lint": {&lint.LintResults{}, func(text []byte, w io.Writer) error {
			return lint.PrintLintViolations(text, w, nil)
		}, []string{"WorkdirRelativePath", "Dockerfile:8", "JSONArgsRecommended", "  10 | >>> CMD x"}},
	} {
		var answers map[string][]byte
		_, err := c.Build(t.Context(), client.SolveOpt{LocalMounts: mounts(dir)}, "test",
			func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
				res, err := g.Solve(ctx, gateway.SolveRequest{
					Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"requestid": "frontend." + name},
				})
				if err == nil {
					answers = res.Metadata
				}
				return res, err
			}, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		strict := json.NewDecoder(bytes.NewReader(answers["result.json"]))
		strict.DisallowUnknownFields()
		if err := strict.Decode(q.into); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var out strings.Builder
		if err := q.print(answers["result.json"], &out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := string(answers["result.txt"]); got != out.String() {
			t.Errorf("%s:\n%s\nBuildKit prints\n%s", name, got, out.String())
		}
		for _, want := range q.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, out.String())
			}
		}
	}
}
