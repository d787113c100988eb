/* From the outputs of a detection head to boxes: decoding as YOLOv5 does it, and non-maximum suppression by class. */
#ifndef NC_BOXES_H
#define NC_BOXES_H

#include <stdint.h>

#ifndef NC_BOX
#define NC_BOX
/* What was found, the four as shares of the image, cut at its edges. */
typedef struct {
    uint32_t of_class;
    float score, left, top, width, height;
} nc_box;
#endif

typedef struct {
    uint16_t rows, columns, anchors, classes;
    const float *sizes;      /* [anchors][2], width and height, as shares of the image */
    float (*value)(uint32_t); /* an output: for each row, column, anchor x, y, width, height, object, classes */
    float least, overlap;    /* the least score; of two boxes of a class with a greater IoU the surer one stays */
} nc_head;

/* A box that is compared with others. */
typedef struct {
    float score;
    uint32_t number;
} nc_candidate;

/* Boxes, the surest first; gives how many.
 * room: for `places` of those that are compared, the surest. boxes: room for `most`. */
uint32_t nc_boxes(const nc_head *head, nc_candidate *room, uint32_t places, nc_box *boxes, uint32_t most);

#endif
