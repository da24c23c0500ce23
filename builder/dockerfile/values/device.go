package values

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"cove/builder/plan"
	"cove/errdefs"
)

// Device is the entitlement of --device: alone for every device, or with =NAME.
const Device = "device"

// Devices reads --device of a RUN. allowed says whether an entitlement was given.
func Devices(cmd *instructions.RunCommand, allowed func(string) bool) (all []plan.Device, err error) {
	for _, d := range instructions.GetDevices(cmd) {
		if d.Name == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--device: it names no device: want VENDOR/CLASS[=NAME]")
		}
		kind, _, _ := strings.Cut(d.Name, "=")
		if !allowed(Device) && !allowed(Device+"="+d.Name) && !allowed(Device+"="+kind) {
			return nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrDenied,
				"--device=%s needs the entitlement device=%s", d.Name, d.Name), errdefs.Entitle, Device+"="+d.Name)
		}
		all = append(all, plan.Device{Name: d.Name, Required: d.Required})
	}
	return all, nil
}
