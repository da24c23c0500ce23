package policies

import (
	"context"
	"encoding/json"

	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/scan/results"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// ofScans is what webhooks call the ways in which a scan ends.
var ofScans = map[jobs.State]payload.Type{
	jobs.Done: payload.ScanningCompleted, jobs.Failed: payload.ScanningFailed, jobs.Stopped: payload.ScanningStopped,
}

// scanEnded has webhooks hear of a scan, within the transaction that ends its job.
func scanEnded(ctx context.Context, tx *metadata.Tx, j jobs.Job) error {
	var i results.Image
	_ = json.Unmarshal(j.Args, &i) // the job itself says what is wrong with them
	if i.Repository == "" {
		return nil
	}
	e := webhook.Event{
		Type: ofScans[j.State], Repository: i.Repository, Operator: j.By,
		Resources: []payload.Resource{{Digest: i.Digest.String()}},
	}
	if j.Error != "" {
		e.Custom = map[string]string{payload.Details: j.Error}
	} else if j.Note != "" {
		e.Custom = map[string]string{payload.Details: j.Note}
	}
	return webhook.Emit(ctx, tx, e)
}
