internal import Runtime

// Names that the runtime and the API's types share: here they mean the runtime's.
typealias ContainerStatus = Runtime.ContainerStatus
typealias Mount = Runtime.Mount
