/// One line of a container log in the CRI's format: `<RFC3339Nano> <stdout|stderr> <F|P> <content>`.
///
/// `P` marks a part of a longer line that the writer had to cut; its newline is not the container's.
struct CRILogLine {
    enum Stream: Sendable { case stdout, stderr }
    /// The time as written, without the space after it.
    var time: ArraySlice<UInt8>
    var stream: Stream
    var isPartial: Bool
    /// Without the newline.
    var content: ArraySlice<UInt8>

    /// Parses a line without its newline; nil if it is not in the format, as after a torn write.
    init?(_ line: ArraySlice<UInt8>) {
        guard let timeEnd = line.firstIndex(of: 0x20) else { return nil }
        let afterTime = line[(timeEnd + 1)...]
        guard let streamEnd = afterTime.firstIndex(of: 0x20) else { return nil }
        switch afterTime[..<streamEnd] {
        case let name where name.elementsEqual("stdout".utf8): stream = .stdout
        case let name where name.elementsEqual("stderr".utf8): stream = .stderr
        default: return nil
        }
        let afterStream = afterTime[(streamEnd + 1)...]
        // Tags are separated by colons; the first one says whether the line is whole.
        guard let tag = afterStream.first, tag == 0x46 || tag == 0x50 else { return nil }
        time = line[..<timeEnd]
        isPartial = tag == 0x50
        guard let tagsEnd = afterStream.firstIndex(of: 0x20) else {
            content = line[line.endIndex...]
            return
        }
        content = afterStream[(tagsEnd + 1)...]
    }

    var wallTime: WallTime? { WallTime(rfc3339: time) }
}
