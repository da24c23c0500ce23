package imagecmd

import (
	"errors"
	"testing"

	engineimages "cove/engine/images"
	"cove/errdefs"
	"cove/internal/cli/app"
)

func TestDiffRefuses(t *testing.T) {
	t.Parallel()
	for _, f := range []diffFlags{{format: "table"}, {DiffOptions: engineimages.DiffOptions{Platform: "a/b/c/d"}}} {
		a := &app.App{Prog: "build", Root: t.TempDir()}
		if err := f.diff(t.Context(), a, "a", "b"); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}
