import JSONTree
import KubeAPI
import KubeTypes

extension ObjectMeta {
    /// The owner that manages this object: at most one of the owners does.
    var controller: OwnerReference? { ownerReferences.first { $0.controller == true } }
}

/// Which of some objects belong to an owner, and what has to be changed so that the objects say so. Pure.
struct Claim<Object: KubeObject>: Sendable {
    /// The owner's, by their own word.
    var owned: [Object] = []
    /// Nobody's, and matching the owner's selector.
    var adopted: [Object] = []
    /// The owner's, but no longer matching its selector.
    var released: [Object] = []

    /// - Parameters:
    ///   - isDeleted: an owner on its way out takes and gives nothing any more.
    init(_ objects: [Object], owner: String, isDeleted: Bool, selector: LabelRequirements) {
        for object in objects {
            let matches = selector.matches(object.metadata.labels)
            if let controller = object.metadata.controller {
                guard controller.uid == owner else { continue }
                if matches {
                    owned.append(object)
                } else if !isDeleted {
                    released.append(object)
                }
            } else if matches, !isDeleted, object.metadata.deletionTimestamp == nil {
                adopted.append(object)
            }
        }
    }
}

extension OwnerReference {
    /// The reference by which an object says that this one manages it.
    init(controller owner: some KubeObject, of type: ResourceReference) {
        self.init(apiVersion: type.apiVersion, blockOwnerDeletion: true, controller: true, kind: type.kind, name: owner.name, uid: owner.uid)
    }
}
