package steps

import (
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/progress"
)

// Flag adds --progress to the flags of a command that builds.
func Flag(fs *pflag.FlagSet, to *string) {
	fs.StringVar(to, "progress", "auto", "auto, tty, plain, rawjson, quiet or none; also by BUILDKIT_PROGRESS")
}

// FromEnvironment is what BUILDKIT_PROGRESS says, unless the flag does.
func FromEnvironment(fs *pflag.FlagSet, to *string) {
	if by := os.Getenv("BUILDKIT_PROGRESS"); by != "" && !fs.Changed("progress") {
		*to = by
	}
}

// Show is what takes the events of a build to show them as --progress says, nil where
// nothing is shown, as with --quiet. b are the steps that it draws, for who closes them,
// nil if none.
func Show(w io.Writer, kind string, quiet bool) (event func(builds.Event), b *Build, err error) {
	switch kind {
	case "auto", "tty", "plain", "rawjson", "quiet", "none":
	default:
		return nil, nil, errdefs.Errorf(errdefs.ErrInvalid,
			"--progress %s: want auto, tty, plain, rawjson, quiet or none", kind)
	}
	screen := progress.ScreenOf(w)
	switch {
	case quiet || kind == "quiet" || kind == "none":
		return nil, nil, nil
	case kind == "rawjson":
		return NewRaw(w).Event, nil, nil
	case kind == "tty" && screen.Size == nil:
		return nil, nil, errdefs.Errorf(errdefs.ErrInvalid, "--progress tty: standard error is not a terminal")
	}
	b = New(screen, kind == "plain", time.Now)
	return b.Event, b, nil
}
