package buildcmd

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/progress/steps"
)

// report says what was built, on standard output and in files.
func (f *buildFlags) report(a *app.App, result *builds.Result) error {
	made := result.Image()
	id := made.Config
	if id == "" {
		id = made.Target.Digest // of an index
	}
	if err := f.writeFiles(id, made); err != nil {
		return err
	}
	if !f.quiet {
		steps.Warnings(a.Err, result.Warnings)
		annotateWarnings(a, result.Warnings)
	}
	switch {
	case f.toStdout:
		return nil
	case id == "":
		if !f.quiet {
			fmt.Fprintln(a.Out, "Successfully exported the files of the image")
		}
		return nil
	case f.quiet:
		fmt.Fprintln(a.Out, id)
		return nil
	}
	fmt.Fprintln(a.Out, builtLine(id, made.Names))
	return nil
}

// writeFiles writes --iidfile and --metadata-file.
func (f *buildFlags) writeFiles(id digest.Digest, made builds.Exported) error {
	if f.iidfile != "" {
		if id == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "--iidfile: no image was made, only its files were exported")
		}
		if err := app.WriteText(f.iidfile, []byte(id)); err != nil {
			return fmt.Errorf("--iidfile: %w", err)
		}
	}
	if f.metadata == "" {
		return nil
	}
	text, err := json.MarshalIndent(newMetadata(made), "", "  ")
	if err == nil {
		err = app.WriteText(f.metadata, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--metadata-file: %w", err)
	}
	return nil
}

// metadata is what --metadata-file holds, under buildx's keys.
type metadata struct {
	Config     digest.Digest       `json:"containerimage.config.digest,omitempty"`
	Descriptor *ocispec.Descriptor `json:"containerimage.descriptor,omitempty"`
	Digest     digest.Digest       `json:"containerimage.digest,omitempty"`
	Names      string              `json:"image.name,omitempty"`
}

func newMetadata(made builds.Exported) metadata {
	if made.Target.Digest == "" {
		return metadata{}
	}
	return metadata{
		Config: made.Config, Descriptor: &made.Target, Digest: made.Target.Digest,
		Names: strings.Join(made.Names, ","),
	}
}

func builtLine(id digest.Digest, tags []string) string {
	line := "Successfully built " + output.ID(id, false)
	for _, t := range tags {
		line += "\nSuccessfully tagged " + output.Familiar(t)
	}
	return line
}
