package sibling

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// changesVerb is no word that a person types, and no directory's name.
const changesVerb = "__changes"

// question and answer are what goes through the pipes of changesVerb.
type question struct {
	Instructions []string
	Platform     ocispec.Platform
	Config       ocispec.ImageConfig
}

type answer struct {
	Config ocispec.ImageConfig
	Added  map[string]json.RawMessage `json:",omitempty"`
	// Invalid says why the instructions were refused.
	Invalid string `json:",omitempty"`
}

var _ engine.Changes = Changes

// Changes has the build binary apply Dockerfile instructions, so that there is
// one parser of them; it is an engine.Changes.
func Changes(ctx context.Context, instructions []string, of ocispec.Image) (engine.Changed, error) {
	path, err := Path("build")
	if err != nil {
		return engine.Changed{}, err
	}
	ask, err := json.Marshal(question{instructions, of.Platform, of.Config})
	if err != nil {
		return engine.Changed{}, err
	}
	var problem bytes.Buffer
	cmd := exec.CommandContext(ctx, path, changesVerb)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(ask), &problem
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return engine.Changed{}, errdefs.Errorf(errdefs.ErrUnavailable,
			"applying Dockerfile instructions with %s: %w: %s", path, err, bytes.TrimSpace(problem.Bytes()))
	} else if err != nil {
		return engine.Changed{}, missing(path, err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		return engine.Changed{}, errdefs.Errorf(errdefs.ErrUnavailable,
			"applying Dockerfile instructions with %s: %w", path, err)
	}
	if a.Invalid != "" {
		return engine.Changed{}, errdefs.Errorf(errdefs.ErrInvalid, "%s", a.Invalid)
	}
	return engine.Changed{ImageConfig: a.Config, Added: a.Added}, nil
}

// AnswerChanges is the other end of Changes: the build binary's command, which
// has the parser.
func AnswerChanges(apply engine.Changes) func(a *app.App) *cobra.Command {
	return func(a *app.App) *cobra.Command {
		return &cobra.Command{
			Use: changesVerb, Hidden: true, Args: app.NoArgs(),
			Short:   "Make a config of Dockerfile instructions, for the other binaries (JSON in, JSON out)",
			Example: `  __changes <<< '{"Instructions": ["CMD [\"sh\"]"]}'`,
			RunE: func(cmd *cobra.Command, _ []string) error {
				var q question
				if err := json.NewDecoder(a.In).Decode(&q); err != nil {
					return err
				}
				cfg, err := apply(cmd.Context(), q.Instructions, ocispec.Image{Platform: q.Platform, Config: q.Config})
				if errors.Is(err, errdefs.ErrInvalid) {
					return json.NewEncoder(a.Out).Encode(answer{Invalid: err.Error()})
				} else if err != nil {
					return err
				}
				return json.NewEncoder(a.Out).Encode(answer{Config: cfg.ImageConfig, Added: cfg.Added})
			},
		}
	}
}
