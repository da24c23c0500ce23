package overlay

// The fallbacks are tested on kernels that need none.
var (
	Classic         = classic
	DetachedClassic = detachedClassic
)
