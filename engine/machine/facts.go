package machine

import (
	"cove/engine/runspec"
	"cove/sandbox/rootless"
)

// Facts are those of this machine that a container with some options is made of.
func Facts(o runspec.Options) (f runspec.Facts, err error) {
	f.Groups = rootless.Groups()
	if f.HostCaps, err = Capabilities(); err != nil {
		return f, err
	}
	if f.Blocks, err = Blocks(o.Resources.Rates()); err != nil {
		return f, err
	}
	if o.Security.Privileged {
		if f.Devices, err = Devices(); err != nil {
			return f, err
		}
	}
	for _, d := range o.Devices {
		found, err := Device(d)
		if err != nil {
			return f, err
		}
		f.Devices = append(f.Devices, found...)
	}
	return f, nil
}
