package runflags

import (
	"slices"

	"github.com/spf13/pflag"

	"cove/errdefs"
)

// empties are docker's words for an empty value of a flag that may be given several times:
// mostly it is a variable of a script that is not set. A flag that is not here has words of
// its own, or takes it.
var empties = map[string]string{
	"add-host":           "bad format for add-host",
	"annotation":         "want KEY=VALUE",
	"attach":             "valid streams are STDIN, STDOUT and STDERR",
	"cap-add":            "unknown capability",
	"cap-drop":           "unknown capability",
	"device":             "bad format for path",
	"device-cgroup-rule": "invalid device cgroup format",
	"dns":                "IP address is not correctly formatted",
	"dns-search":         "it is not a valid domain; . is for none",
	"env":                "invalid environment variable: it is empty",
	"env-file":           "no such file or directory",
	"expose":             "empty string specified for ports",
	"group-add":          "unable to find group",
	"label":              "invalid label: empty name",
	"label-file":         "no such file or directory",
	"link":               "empty string specified for links",
	"log-opt":            "unknown log opt",
	"mount":              "no fields: want type=bind|volume|tmpfs|image,source=…,target=…",
	"network":            "no name set for network",
	"publish":            "no port specified",
	"security-opt":       "invalid security option",
	"sysctl":             "sysctl '' is not allowed",
	"tmpfs":              "invalid mount path: mount path must be absolute",
	"ulimit":             "invalid ulimit argument",
	"volume":             "invalid empty volume spec",
	"volumes-from":       "volumes-from specification cannot be an empty string",
}

// notEmpty refuses flags that were given an empty value and mean nothing with it.
func notEmpty(fs *pflag.FlagSet) (err error) {
	fs.Visit(func(f *pflag.Flag) {
		all, several := f.Value.(pflag.SliceValue)
		words, ok := empties[f.Name]
		if err == nil && ok && several && slices.Contains(all.GetSlice(), "") {
			err = errdefs.Errorf(errdefs.ErrInvalid, "invalid argument \"\" for --%s: %s", f.Name, words)
		}
	})
	return err
}
