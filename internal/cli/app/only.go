package app

import (
	"errors"
	"slices"

	"github.com/spf13/pflag"
)

// Only is a flag of docker's with which nothing can be asked for but what is done
// anyway. It takes the values that say so, and refuses all others by the flag's name.
type Only struct {
	Name string
	// Short is its letter, or none.
	Short string
	// Values are those that it takes.
	Values []string
	// Why there is no other, and what to do instead.
	Why string
	// Switch takes no value, as --name does, which is --name=true.
	Switch bool
}

// ContentTrust is docker's flag about Notary, in the commands that have it.
var ContentTrust = Only{
	Name: "disable-content-trust", Values: []string{"true"}, Switch: true,
	Why: "there is no Notary to ask; name the image by digest, as IMAGE@sha256:…",
}

// Register adds flags to a command's, and shows none in its help.
func Register(fs *pflag.FlagSet, flags ...Only) {
	for _, o := range flags {
		f := fs.VarPF(only{o}, o.Name, o.Short, o.Why)
		f.Hidden = true
		if o.Switch {
			f.NoOptDefVal = "true"
		}
	}
}

// only is the value of such a flag.
type only struct{ Only }

func (o only) Set(value string) error {
	if slices.Contains(o.Values, value) {
		return nil
	}
	return errors.New(o.Why)
}

func (o only) String() string { return "" }

func (o only) Type() string {
	if o.Switch {
		return "bool"
	}
	return "string"
}
