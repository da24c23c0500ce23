package page

import "cove/errdefs"

// VersionField is the name of the hidden field by which a form says what it was filled
// with when it was opened.
const VersionField = "version"

// Version stands for what a form is filled with, as an ETag does for what a program reads.
func Version(filled any) (string, error) { return markOf(filled) }

// Unchanged refuses, as errdefs.ErrConflict, a form that was filled with something else
// than what is there now: it would overwrite what somebody has changed meanwhile. A form
// without a version, as that which takes something back, is let through.
func (a *Ask) Unchanged(now any) error {
	was := a.PostForm.Get(VersionField)
	if was == "" {
		return nil
	}
	is, err := Version(now)
	if err != nil {
		return err
	}
	if is != was {
		return errdefs.Errorf(errdefs.ErrConflict, "%s", a.Language.Text("form.changed"))
	}
	return nil
}
