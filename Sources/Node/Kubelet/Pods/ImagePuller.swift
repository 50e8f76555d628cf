internal import Runtime

/// Makes an image available by its pull policy, and tells the user what happens.
struct ImagePuller: Sendable {
    var images: any ImageService
    var events: any EventSink
    var clock: any KubeletClock

    func ensure(_ reference: String, _ policy: ContainerPlan.PullPolicy, _ target: EventTarget) async -> Result<ImageStatus, ImageFailure> {
        do {
            if policy != .always, let image = try await images.image(reference) {
                events.record(target, .normal, reason: "Pulled", message: "Container image \"\(reference)\" already present on machine and can be accessed by the pod")
                return .success(image)
            }
            if policy == .never { return neverPulled(reference, target) }
        } catch {
            let message = "Failed to inspect image \"\(reference)\": \(error)"
            events.record(target, .warning, reason: "InspectFailed", message: message)
            return .failure(ImageFailure(reason: "ImageInspectError", message: message))
        }
        return await pull(reference, target)
    }

    private func neverPulled(_ reference: String, _ target: EventTarget) -> Result<ImageStatus, ImageFailure> {
        let message = "Container image \"\(reference)\" is not present with pull policy of Never"
        events.record(target, .warning, reason: "ErrImageNeverPull", message: message)
        events.record(target, .warning, reason: "Failed", message: "Error: ErrImageNeverPull")
        return .failure(ImageFailure(reason: "ErrImageNeverPull", message: message))
    }

    private func pull(_ reference: String, _ target: EventTarget) async -> Result<ImageStatus, ImageFailure> {
        events.record(target, .normal, reason: "Pulling", message: "Pulling image \"\(reference)\"")
        let start = clock.now()
        do {
            let image = try await images.pull(reference)
            let time = GoDuration.text(clock.now() - start)
            events.record(
                target, .normal, reason: "Pulled",
                message: "Successfully pulled image \"\(reference)\" in \(time) (\(time) including waiting). Image size: \(image.size) bytes.")
            return .success(image)
        } catch {
            events.record(target, .warning, reason: "Failed", message: "Failed to pull image \"\(reference)\": \(error)")
            events.record(target, .warning, reason: "Failed", message: "Error: ErrImagePull")
            return .failure(ImageFailure(reason: "ErrImagePull", message: "\(error)"))
        }
    }
}
