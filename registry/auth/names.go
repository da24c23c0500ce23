package auth

import (
	"regexp"

	"cove/errdefs"
)

var userName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._@+-]{0,62}[a-zA-Z0-9]$|^[a-zA-Z0-9]$`)

// CheckName refuses a user name that could not be typed before a password in
// Basic credentials or would confuse a reader of the log.
func CheckName(name string) error {
	if !userName.MatchString(name) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"user name %q: use up to 64 letters, digits and . _ @ + -, beginning and ending with a letter or digit", name)
	}
	return nil
}
