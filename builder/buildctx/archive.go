package buildctx

import (
	"bytes"

	"cove/layers/compress"
)

// IsArchive tells from its first 512 bytes whether a file is a tar archive, or
// compressed and so perhaps one.
func IsArchive(head []byte) bool {
	return compress.Detect(head) != compress.None || len(head) >= 263 && bytes.Equal(head[257:262], []byte("ustar"))
}
