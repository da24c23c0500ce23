package overlay

// Classic is the fallback, tested on kernels that need none.
var Classic = classic
