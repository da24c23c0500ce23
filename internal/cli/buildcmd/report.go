package buildcmd

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

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
	if err := f.writeFiles(id, result); err != nil {
		return err
	}
	if err := f.lock.Write(); err != nil {
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
func (f *buildFlags) writeFiles(id digest.Digest, result *builds.Result) error {
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
	about, err := metadataOf(result)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(about, "", "  ")
	if err == nil {
		err = app.WriteText(f.metadata, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--metadata-file: %w", err)
	}
	return nil
}

// metadataOf is what programs are told of a result: buildx's keys, with the provenance
// among them.
func metadataOf(result *builds.Result) (map[string]any, error) {
	out := map[string]any{}
	made := result.Image()
	if made.Target.Digest != "" {
		out["containerimage.descriptor"] = made.Target
		out["containerimage.digest"] = made.Target.Digest
		if made.Config != "" {
			out["containerimage.config.digest"] = made.Config
		}
		if len(made.Names) > 0 {
			out["image.name"] = strings.Join(made.Names, ",")
		}
	}
	documents, err := builds.ProvenanceOf(result)
	for key, text := range documents {
		out[key] = text
	}
	for _, about := range result.About {
		if about.ID != "" {
			out["buildx.build.ref"] = "default/default/" + about.ID
		}
	}
	return out, err
}

func builtLine(id digest.Digest, tags []string) string {
	line := "Successfully built " + output.ID(id, false)
	for _, t := range tags {
		line += "\nSuccessfully tagged " + output.Familiar(t)
	}
	return line
}
